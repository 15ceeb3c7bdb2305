"""What a run says of itself: the log's lines, blindness, the values of metrics."""
