"""JWT-SVIDs: the mesh's identities as tokens, for where a certificate cannot be shown.

In: an identity that was attested, and for whom the token is. Out: a token of some minutes, and the key set that it is checked
with (https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md). The signing keys are the authority's own; a token is
never given for an identity that the asking node was not granted.

Read `keys.py` first (the keys and how one follows another), then `server.py` (who may ask).
"""
