"""Complete, extend and in-between human motion by Accelerated Likelihood Maximization: the verbs are to come."""

__all__: list[str] = []
__version__ = "0.1.0"
