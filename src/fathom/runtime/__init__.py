"""What no result depends on: errors, progress, redaction, memory. No digest of code holds it."""
