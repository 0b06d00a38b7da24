"""The thin library behind the IGAN notebooks: data, networks, losses, the method, training, evaluation, tables."""
