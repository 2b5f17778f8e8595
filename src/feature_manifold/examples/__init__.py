"""What a latent fires on: picked contexts, histograms, and the page that shows one latent.

Public entry points:

- ``extract.extract_examples``: firings and token table -> ``store.examples.ExampleSet``.
- ``pages.latent_page``: everything about one latent, as its page shows it; ``pages.LatentPage``
  has ``to_json``. The static export and the server both use it.
- ``search.TokenSearch``: text -> tokens -> the latents that fire on them most.
- ``latent_search.LatentSearch``: text, tokens, rows, labels, latents and concepts -> latents, and
  rows -> text. Its parts are functions on arrays: ``occurrences``, ``responsible``, ``similar``,
  ``labels``, ``concept_cluster`` and ``passages``.
- ``type_rows``: the token table -> the rows of each token id, which these searches start from.
"""
