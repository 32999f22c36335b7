"""The ranker: from an HTTP request to a ranked slate."""
