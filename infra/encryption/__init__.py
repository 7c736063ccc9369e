"""Field encryption on top of the database: AES-256-GCM under a data key per person or purpose.

keyring     key-encryption keys and index keys, from a provider (a private file by default)
data_keys   data keys as the database stores them: wrapped
codec       bytes of one field in, ciphertext bound to its table, column and row out
"""
