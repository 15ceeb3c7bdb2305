"""The parts of `ds-actors scan`: decode a file, send its samples, judge the answers, report."""
