"""SimHash signatures: on which side of `bits` hyperplanes a vector lies, 32 bits a word."""
