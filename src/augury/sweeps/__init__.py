"""Many configs of one study: crossed, run once each, ranked, and the best of them taken on."""
