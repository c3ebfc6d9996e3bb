from analysis.measures import MEASURES, Measure


def test_a_symbol_stands_for_the_title_in_a_heading_and_follows_it_on_an_axis():
    width = MEASURES["width_own"]
    assert (width.heading, width.latex) == ("W, own best", "$W$, own best")
    assert width.axis == "width W (decades of lr)"
    assert (MEASURES["phi"].heading, MEASURES["phi"].latex) == ("Φ", r"$\Phi$")


def test_a_fraction_is_shown_in_percent():
    error = Measure("test error", unit="%", digits=2)
    assert (error.heading, error.latex, error.axis) == ("Test error, %", r"Test error, \%", "test error (%)")
    assert (error.factor, Measure("training loss").factor) == (100.0, 1.0)


def test_a_terminal_has_the_symbol_or_the_title_unless_it_has_a_shorter_one():
    assert [MEASURES[name].short for name in ("sensitivity", "trials", "best_weight_decay")] == [
        "S",
        "trials",
        "wd",
    ]
