"""Probes on hidden states, and the predictors without hidden states that they have to beat."""
