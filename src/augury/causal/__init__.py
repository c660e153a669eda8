"""Does the model use it? Logit lens, edits, scans, steering, and what an edit costs the model."""
