"""The neural rivals: a variational autoencoder of many rates, and a plain autoencoder, with their own training."""
