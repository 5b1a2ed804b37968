"""What the rules of each stage ask: settings, code, resources."""
