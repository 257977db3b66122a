"""What an operator can do, one module per group of words; `api/admin.py` has the list of them.

A module has `add_words(words)`: it names its words, their arguments and the coroutine that each runs. What several of
them need is in `words.py` (the command line, what is printed) and `tenancy.py` (finding projects and keys).
"""
