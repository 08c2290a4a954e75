"""The command ``lop stability``: the question, certified signs, words and a picture."""
