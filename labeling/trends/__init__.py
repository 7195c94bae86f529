"""What became of listings over time: numbers read from the store, drawn as charts, shown on one page.

`scope` says which part of the past is meant, the modules beside it read it, `figures` gives each number its words and
its link, `charts` draws it.
"""
