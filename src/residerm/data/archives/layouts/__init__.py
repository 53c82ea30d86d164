"""A file for each layout in which archives are published: how it is recognised, its rows, licence and citation."""
