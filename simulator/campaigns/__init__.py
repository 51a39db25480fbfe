"""Many runs: sampling, minimising, explaining, replaying, certifying."""
