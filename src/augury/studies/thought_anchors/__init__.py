"""Thought anchors: which sentences of a solution matter?"""
