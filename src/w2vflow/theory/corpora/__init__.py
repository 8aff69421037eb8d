"""A finite corpus and a changed one: influences, uncertainty, bias."""
