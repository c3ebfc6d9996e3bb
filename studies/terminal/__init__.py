"""What the command shows: plans, reports, searches, one line of progress, small maps of surfaces while they grow."""
