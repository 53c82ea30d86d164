"""Evaluation of a trained model on images that it was not trained on: predictions, and scores with intervals."""
