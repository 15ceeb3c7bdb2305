"""The parts of `ds-actors calibrate`: labelled files and scans, a detector's scores, words and the picture."""
