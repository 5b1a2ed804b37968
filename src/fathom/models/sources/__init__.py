"""The sources of models, one module each with a function `bring(place, **options)`."""
