"""The introspection study: does confidence follow what the model knows?"""
