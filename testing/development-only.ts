// Imported first by what tests use: a service in production that imports the test kit does not start.
import { fault } from '../errors.ts'
import { isDevelopment } from '../guards/environment.ts'

if (!isDevelopment()) throw fault('GATEHOUSE_TESTING_IN_PRODUCTION', 'it was imported')
