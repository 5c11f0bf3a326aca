"""A stack calculator, once as its author wrote it (`plain`) and once with the hints of metatracer (`calc`)."""
