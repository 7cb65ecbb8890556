"""Fit notes to episodes of certified absence, with an account of what every rule did."""
