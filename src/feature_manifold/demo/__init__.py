"""The model that ships with the project: its text, its training, its assets and the proof.

``groups`` names the words and where each sits on its circle, line or map; ``topics`` and ``text``
write sentences about them; ``train_model`` and ``train_sae`` learn from that text; ``bars``
measures what was learned; ``train.train_demo`` does all of it from one seed.
"""
