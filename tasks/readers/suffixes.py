"""What a file's suffix promises; the content decides, the promise makes the reason clear."""

IMAGES = ".jpg .jpeg .jpe .jfif .png .tif .tiff .btf .webp .bmp .dib .gif .zarr"
SIGNALS = ".csv .tsv .npy .npz .wav .parquet .nc .nc4 .cdf .h5 .hdf5 .he5"
EXPECTED = frozenset(f"{IMAGES} {SIGNALS}".split())
"""Suffixes of files that ought to hold an image or a signal."""

_RAW = ".cr2 .cr3 .nef .arw .dng .orf .rw2 .raf .pef .srw"
_SLIDES = ".svs .ndpi .scn .mrxs .vms .czi .lif .nd2"
_KINDS = {
    "a camera's raw format": (_RAW, "develop it to TIFF or JPEG first"),
    "HEIF": (".heic .heif .avif", "convert it to JPEG, PNG or TIFF first"),
    "JPEG 2000 or JPEG XL": (".jp2 .j2k .jpx .jxl", "convert it to PNG or TIFF first"),
    "DICOM": (".dcm .dicom", "convert it to TIFF or Zarr first"),
    "a slide or microscope format": (_SLIDES, "convert it to OME-TIFF or OME-Zarr first"),
    "a compressed recording": (".flac .mp3 .ogg .m4a .aac .opus", "convert it to WAV first"),
    "a medical volume": (".nii .mha .mhd .nrrd", "convert it to TIFF or Zarr first"),
    "FITS": (".fits .fit .fts", "convert it to TIFF, Zarr or NetCDF first"),
    "a biosignal format": (".edf .bdf .gdf", "convert it to CSV, NetCDF or Parquet first"),
    "a spreadsheet": (".xlsx .xls .ods", "save it as CSV first"),
}
UNREAD = {
    suffix: f"{kind} ({suffix}), not read yet: {remedy}"
    for kind, (suffixes, remedy) in _KINDS.items()
    for suffix in suffixes.split()
}
"""Suffixes of images and signals that scalemark knows of and does not read, with the remedy."""
