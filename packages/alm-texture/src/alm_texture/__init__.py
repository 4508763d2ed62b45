"""Paint a mesh from its views and bake it, by Accelerated Likelihood Maximization: the verbs are to come."""

__all__: list[str] = []
__version__ = "0.1.0"
