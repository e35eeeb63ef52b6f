"""Networks written for a whole stack of trials."""
