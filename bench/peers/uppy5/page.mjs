import AwsS3 from "@uppy/aws-s3";
import Uppy from "@uppy/core";
import { defineUppyPage } from "../../pages/uppy.mjs";

defineUppyPage(Uppy, AwsS3, (companion) => ({ endpoint: companion }));
