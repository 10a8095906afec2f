"""Files of labelling tools: LabelMe, CVAT, Label Studio and VGG Image Annotator."""
