"""How the weights of a prepared folder are held: one module a way, each with what `ways.Way` asks for."""
