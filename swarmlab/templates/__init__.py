"""Go's templates, as `--format` and the specs of services use them."""
