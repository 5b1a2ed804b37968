"""Files: tables, manifests, atomic writes, hashing, strict JSON, downloads."""
