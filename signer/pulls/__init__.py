"""What hosts told of their pulls: how often something was let run, and how often not, and why."""
