"""The methods that Table 3 compares with, one file a method.

On given features, without labels: `itq`, `ba`, `uh_bdnn` (see `interface.FeatureHash`). Trained networks on the encoder
of IGAN: `dah` (NoDA and DAH) and `suh` (SuH, the one that sees target labels).
"""
