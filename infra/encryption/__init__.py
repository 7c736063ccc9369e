"""Field encryption on top of the database; docs/encryption.md has the whole picture.

keyring       what a key provider is, and the private file
aws_kms       AWS KMS as one
provider      the one that the settings choose
data_keys     data keys as the database stores them: wrapped
codec         bytes of one field in, ciphertext bound to its table, column and row out
field_codec   the codec that repositories use: many keys, a cache
contacts      phone numbers and emails in one form
blind_index   who has a phone number or email
columns       where ciphertexts stand
rotation      new keys for old, while serving
"""
