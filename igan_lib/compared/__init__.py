"""The methods that the paper's tables compare with, one file a method.

Table 3: on given features, without labels, `itq`, `ba` and `uh_bdnn` (see `interface.FeatureHash`); trained networks on
the encoder of IGAN, `dah` (NoDA and DAH) and `suh` (SuH, the one that sees target labels).

Tables 1 and 2, recognition alone (see `adaptation.Adaptation`): `dann`, `dan`, `adda`, `cdan`, `mstn`, `drcn`, `cogan`,
`duplex`, `cycada` and `i2i`; from later years `mcc` and `shot`.
"""
