"""What makes a level of verdicts: memory, confirmations, evidence."""
