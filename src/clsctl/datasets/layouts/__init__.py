"""The layouts a dataset may have on disk: folders, lists and tables."""
