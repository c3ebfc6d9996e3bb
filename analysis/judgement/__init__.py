"""The verdict: its endpoints, its rule, what makes a comparison invalid, the seeds it needs, its words."""
