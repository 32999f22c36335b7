"""The demo: live traffic of the synthetic world, and what it shows of the system."""
