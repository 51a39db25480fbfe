"""From a failing run to what a person gets: minimised, recorded in detail, explained by the pair that decides."""
