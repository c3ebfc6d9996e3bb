"""The C++ that all libraries of graphs begin with: matrix products, and calling graphs in a row."""

PRELUDE = """
typedef void Gemm32(const char*, const char*, const int*, const int*, const int*, const float*, const float*,
                    const int*, const float*, const int*, const float*, float*, const int*);
typedef void Gemm64(const char*, const char*, const int*, const int*, const int*, const double*, const double*,
                    const int*, const double*, const int*, const double*, double*, const int*);
static Gemm32* gemm32;
static Gemm64* gemm64;
extern "C" void multiply_by(void* single, void* twice) {
    gemm32 = (Gemm32*)single;
    gemm64 = (Gemm64*)twice;
}
typedef const char* Graph(char* const*, char*);
extern "C" const char* in_order(long count, Graph* const* graphs, char* const* const* pointers, char* memory) {
    for (long i = 0; i < count; i++)
        if (const char* problem = graphs[i](pointers[i], memory)) return problem;
    return nullptr;
}
static void gemm(const char* tb, const char* ta, int n, int m, int k, const float* b, int ldb, const float* a,
                 int lda, float* c, int ldc) {
    const float one = 1, zero = 0;
    gemm32(tb, ta, &n, &m, &k, &one, b, &ldb, a, &lda, &zero, c, &ldc);
}
static void gemm(const char* tb, const char* ta, int n, int m, int k, const double* b, int ldb, const double* a,
                 int lda, double* c, int ldc) {
    const double one = 1, zero = 0;
    gemm64(tb, ta, &n, &m, &k, &one, b, &ldb, a, &lda, &zero, c, &ldc);
}
// C = A B for each of `count` pairs, by rows; BLAS takes columns, so it is given B' A' = C'. BLAS is slow where C has
// few columns, as in the last layer of a classifier; B then fits on the stack.
template <typename T, int m, int n, int k>
static void products(int count, const T* a, long a_each, long a_row, long a_column, const T* b, long b_each,
                     long b_row, long b_column, T* c, long c_each, long c_row, long c_column) {
    for (int i = 0; i < count; i++, a += a_each, b += b_each, c += c_each) {
        if constexpr (n > 1 && n <= 16 && m >= 4 && k <= 2048) {
            typedef at::vec::Vectorized<T> V;
            constexpr int lanes = V::size(), wide = (n + lanes - 1) / lanes, rows = 4;
            alignas(64) T packed[k][wide * lanes] = {};
            for (int p = 0; p < k; p++)
                for (int j = 0; j < n; j++) packed[p][j] = b[p * b_row + j * b_column];
            for (int r = 0; r < m; r += rows) {
                const T* from = a + (r + rows <= m ? r : m - rows) * a_row;
                V sums[rows][wide];
#pragma GCC unroll 16
                for (int s = 0; s < rows; s++)
#pragma GCC unroll 16
                    for (int j = 0; j < wide; j++) sums[s][j] = V(0);
                for (int p = 0; p < k; p++)
#pragma GCC unroll 16
                    for (int j = 0; j < wide; j++) {
                        const V right = V::loadu(packed[p] + j * lanes);
#pragma GCC unroll 16
                        for (int s = 0; s < rows; s++)
                            sums[s][j] = at::vec::fmadd(V(from[s * a_row + p * a_column]), right, sums[s][j]);
                    }
                T* to = c + (from - a) / a_row * c_row;
                for (int s = 0; s < rows; s++) {
                    T row[wide * lanes];
                    for (int j = 0; j < wide; j++) sums[s][j].store(row + j * lanes);
                    for (int j = 0; j < n; j++) to[s * c_row + j] = row[j];
                }
            }
        } else {
            gemm(b_column == 1 ? "N" : "T", a_column == 1 ? "N" : "T", n, m, k, b, b_column == 1 ? b_row : b_column,
                 a, a_column == 1 ? a_row : a_column, c, c_row);
        }
    }
}
"""
