"""How the weights of a prepared folder are held: one module each, with what `storage.Storage` asks for."""
