"""What was asked, made, judged and done: the history and everything that is read out of it."""
