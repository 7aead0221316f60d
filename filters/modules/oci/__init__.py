"""`make oci`: for each of dist/*.wasm an OCI image layout and a bill of materials, and checksums of all.

The same modules give the same bytes, whenever and wherever this runs: nothing here asks for the time, and
everything is sorted. Compression is zlib's, so another zlib may give a layer another digest; the module
inside is the same.
"""
