"""Other people's APIs: how they are reached, with which credential, and what is done when they fail.

Used by the backends that answer with an upstream. What a request looks like there is the backends' business.
"""
